#include <string.h>

void wi_copy(char *ret, const char *text);
int wi_sum(int a, int b, int c, int d, int (*e)(int, int), int f, int g);
int wi_deep(int a);
int wi_tangled(int a);

void
wi_copy(char *ret, const char *text)
{
    strcpy(ret, text);
}

int
wi_sum(int a, int b, int c, int d, int (*e)(int, int), int f, int g)
{
    return a + b + c + d + e(f, g);
}

int
wi_deep(int a)
{
    const struct {
        int values[2];
    } table = {{1, 2}};

    if (a > 0) {
        while (a > 1) {
            for (int i = 0; i < a; i++) {
                if (i == table.values[0]) {
                    return i;
                }
            }
            a--;
        }
    }
    return a;
}

int
wi_tangled(int a)
{
    if (a == 1 || a == 3 || a == 5 || a == 7 || a == 9 || a == 11 || a == 13 || a == 15) {
        return 1;
    }
    if (a == 2 || a == 4 || a == 6 || a == 8 || a == 10 || a == 12 || a == 14) {
        return 2;
    }
    return 0;
}
