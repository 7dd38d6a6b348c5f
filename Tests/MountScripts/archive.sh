#!/usr/bin/env bash
# A tree with all that tar can hold goes from the plain directory $1 into the mounted one $2 and back into $3.
set -euo pipefail
cd "$1"
mkdir -p tree/deep/er "tree/a name with spaces" tree/closed
printf 'content' > tree/file
head -c 3000000 /dev/urandom > tree/deep/large
truncate -s 5M tree/deep/er/sparse
printf x >> tree/deep/er/sparse
ln tree/file tree/deep/hard-link
ln -s ../file tree/deep/link
ln -s /nowhere/at/all tree/dangling
mkfifo tree/fifo
printf y > tree/closed/file
chmod 0400 tree/closed/file
chmod 0555 tree/closed
chmod 0751 "tree/a name with spaces"
chmod 1777 tree/deep
setfattr -n user.comment -v 'of a file' tree/file
setfattr -n user.comment -v 'of a directory' tree/deep
touch -d '1999-12-31 23:59:58.123456789' tree/file tree/deep/large
touch -h -d '2002-02-02 02:02:02.5' tree/dangling
printf z > "tree/$(printf 'n%.0s' $(seq 255))"
printf u > "tree/$(printf '\xc3\xbc\xe2\x82\xac \xff')"
touch -d '2010-10-10 10:10:10' tree/deep tree
options=(--xattrs --sparse --numeric-owner)
tar --create "${options[@]}" --file "$1/before.tar" tree
tar --extract "${options[@]}" --same-permissions --file "$1/before.tar" --directory "$2"
tar --create "${options[@]}" --file "$1/through.tar" --directory "$2" tree
tar --extract "${options[@]}" --same-permissions --file "$1/through.tar" --directory "$3"
list() { # all there is to know of a tree but when something was last changed or read
  cd "$1"
  find tree -printf '%p %y %m %n %s %T@ %U:%G %l\n' | sed -E 's/^(.* d [0-9]+ )[0-9]+ [0-9]+ /\1/' | LC_ALL=C sort
  find tree -type f -exec sha256sum {} + | LC_ALL=C sort
  getfattr --no-dereference --recursive --dump tree
}
diff <(list "$1") <(list "$3")
diff <(list "$1") <(list "$2")
[ tree/file -ef tree/deep/hard-link ]
cd "$2"
[ tree/file -ef tree/deep/hard-link ]
[ "$(stat -c %h tree/file)" = 2 ]
