mkdir -p src/tmp src/sub
for f in a.txt b.log tmp/t sub/x sub/c.log sub/keep.log; do echo $f > src/$f; done
cp -r src out; rm -r out/b.log out/tmp out/sub/x
cp -r src wild; rm wild/b.log
cp -r src deep; rm deep/b.log deep/sub/c.log
