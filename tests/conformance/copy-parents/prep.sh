mkdir -p a/b c
echo 1 > a/b/one; echo x > a/b/other; echo 2 > c/two; echo x > c/other; echo t > top
# What docker copies plainly has the form that --parents gives.
mkdir -p all/a/b all/c dirs/a pivot/b wild/a/b
cp a/b/one all/a/b; cp c/two all/c; cp top all; cp -r a/b dirs/a
cp a/b/one pivot/b; cp c/two pivot
cp a/b/one wild/a/b
