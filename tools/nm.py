"""What nm says about an archive or a shared library; used by purity.py and symbols.py."""
import subprocess


def names(file, *options):
    """The symbols that `nm options file` lists."""
    output = subprocess.run(
        ["nm", "--format=posix", *options, file], capture_output=True, text=True, check=True).stdout
    found = set()
    for line in output.splitlines():
        words = line.split()
        if len(words) >= 2 and not line.endswith(":"):
            found.add(words[0].split("@", 1)[0])
    return found


def undefined(file):
    return names(file, "--undefined-only")


def defined(file):
    return names(file, "--defined-only", "--extern-only")


def exported(file):
    return names(file, "--dynamic", "--defined-only")
