#!/usr/bin/env bash
# A life of a repository in the directory $1: 2,000 files, commits, a clone, packs, and git's own checks.
set -euo pipefail
cd "$1"
export HOME=$1 GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
git init --quiet --initial-branch=main work
cd work
for folder in $(seq 1 40); do
  mkdir -p "d$folder/e"
  for file in $(seq 1 50); do echo "$folder $file" > "d$folder/e/f$file"; done
done
git add .
git commit --quiet -m one
[ "$(git ls-files | wc -l)" = 2000 ]
[ -z "$(git status --porcelain)" ]
echo changed > d1/e/f1
git mv d2 moved
git rm --quiet -r d3
chmod +x d4/e/f1
git commit --quiet -a -m two
git fsck --strict --no-progress
git clone --quiet --no-hardlinks . ../clone
git clone --quiet . ../linked
git -C ../clone fsck --strict --no-progress
diff -r --exclude=.git . ../clone
diff -r --exclude=.git . ../linked
git checkout --quiet -b other HEAD~1
echo more > d5/e/f2
git commit --quiet -a -m three
git checkout --quiet main
git merge --quiet -m merged other
git gc --quiet --aggressive --prune=now
git repack -a -d -q
git fsck --strict --no-progress
git stash list
git worktree add --quiet ../tree HEAD~1
[ -z "$(git -C ../tree status --porcelain)" ]
[ -z "$(git status --porcelain)" ]
