int weir_secret(int a);

__attribute__((visibility("default"))) int
weir_secret(int a)
{
    return a + 1;
}
