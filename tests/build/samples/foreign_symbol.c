int helper(int a);

int
helper(int a)
{
    return a + 1;
}
