# What `cmake --install` puts below the prefix.
