mkdir -m 700 priv
echo p > priv/p
chmod 700 .
