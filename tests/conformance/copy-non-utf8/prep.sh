mkdir -p "$(printf 'tree/d\377')"
echo latin > "$(printf 'tree/caf\351')"
echo deep > "$(printf 'tree/d\377/x')"
ln -s "$(printf 'caf\351')" tree/link
