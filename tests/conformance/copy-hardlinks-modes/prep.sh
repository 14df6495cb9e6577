mkdir -p tree/sub tree/empty tree/private
echo f > tree/a
ln tree/a tree/b
ln tree/a tree/sub/c
echo x > tree/suid; chmod 4755 tree/suid
echo x > tree/none; chmod 000 tree/none
chmod 700 tree/private
chmod 1777 tree/empty
mkfifo tree/sub/pipe
chown 77:88 tree/a tree/private
