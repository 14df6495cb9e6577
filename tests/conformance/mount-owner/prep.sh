chown -R 1000:50 . && chmod 4711 d/f && chmod 2750 d
