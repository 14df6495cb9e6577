mkdir -p tree/dir
echo f > tree/file
echo g > tree/dir/g
ln -s file tree/filelink
ln -s dir tree/dirlink
ln -s /nowhere tree/dangling
ln -s tree/dir dirlink
ln -s tree/file toplink
