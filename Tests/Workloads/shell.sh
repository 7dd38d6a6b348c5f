# An idle shell with variables, a function, a directory and an open file of its own, which goes on answering.
number=41 list="a b c" step=0
sum() { echo "$((number + 1)) $list $PWD"; }
answer() { echo "$1" >answer; }
printf 'one\ntwo\nthree\n' >lines
exec 3<>ask 4<lines
read -r line <&4
: >ready
while read -r request part <&3; do
  case $request in
  check)
    step=$((step + 1))
    echo "step $step"
    if [ "$(sum)" = "42 a b c /var/tmp/workload" ] && [ "$line" = one ]; then answer "ok $(sum)"; else answer "$(sum)"; fi ;;
  finish)
    # The open file goes on where it was.
    read -r line <&4
    echo "done $step"
    [ "$line" = two ] || exit 1
    answer ok
    exit 11 ;;
  esac
done
