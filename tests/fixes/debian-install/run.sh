#!/bin/sh
exec tree "$@"
