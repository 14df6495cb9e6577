mkdir d
echo new > d/f
chown -R 5:6 d
tar -czf a.tar.gz d
rm -r d
