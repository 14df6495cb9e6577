mkdir -p w/dir
echo new > w/dir/f
echo add > w/dir/g
chmod 700 w/dir
tar -C w -cf a.tar dir
rm -r w
