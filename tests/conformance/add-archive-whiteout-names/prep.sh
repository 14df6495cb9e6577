mkdir w
echo n > w/normal
tar -C w -cf a.tar normal
rm -r w
