mkdir -p in/d/e
echo hello > in/d/f
chmod 640 in/d/f
chown 12:34 in/d/f
ln -s f in/d/l
ln in/d/f in/d/hard
chmod 2755 in/d/e
mkfifo in/p
tar -C in -cf a.tar --sort=name --mtime=@0 .
gzip -nk a.tar
xz -k a.tar
bzip2 -k a.tar
cp a.tar.xz noext
cp a.tar.gz a.tar.gz.txt
echo 'not an archive' > fake.tar.gz
echo f > f
rm -rf in
