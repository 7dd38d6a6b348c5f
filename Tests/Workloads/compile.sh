# A compile that never ends: all of a program, again and again; each time it is the same program to the byte, and
# computes the same.
mkdir -p source
for number in 1 2 3 4 5 6; do
  cat >source/part$number.c <<END
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static int compare(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }
int part$number(int seed) {
  int values[200]; long sum = 0; char text[64];
  for (int i = 0; i < 200; i++) { seed = seed * 1103515245 + 12345 & 0x7fffffff; values[i] = seed % 1000; }
  qsort(values, 200, sizeof *values, compare);
  for (int i = 0; i < 200; i++) sum = (sum * 31 + values[i] * $number) % 1000003;
  snprintf(text, sizeof text, "%ld", sum);
  return (int)strlen(text) + (int)sum;
}
END
done
cat >source/main.c <<'END'
#include <stdio.h>
int part1(int), part2(int), part3(int), part4(int), part5(int), part6(int);
int main(void) {
  printf("%d\n", part1(1) ^ part2(2) ^ part3(3) ^ part4(4) ^ part5(5) ^ part6(6));
  return 0;
}
END
step=0 asked=0 first='' wrong=''
build() {
  rm -f source/*.o program
  for file in source/*.c; do tcc -c -o "${file%.c}.o" "$file" || wrong="tcc ended with status $?"; done
  tcc -o program source/*.o || wrong="linking ended with status $?"
  result=$(./program) || wrong="the program ended with status $?"
  result="$result $(sha256sum <program)"
  : "${first:=$result}"
  [ "$result" = "$first" ] || wrong="'$result', not '$first'"
  step=$((step + 1))
  echo "step $step"
}
exec 3<>ask
: >ready
while :; do
  build
  while read -r -t 0 <&3 && read -r request <&3; do
    case $request in
    check*)
      if [ -n "$wrong" ]; then echo "$wrong" >answer
      elif [ "$step" -le "$asked" ]; then echo "stands still at $step" >answer
      else echo "ok $step $first" >answer; asked=$step; fi ;;
    finish)
      echo "done $step"
      echo ok >answer
      exit 13 ;;
    esac
  done
done
