mkdir -p empty with/empty/deeper
: > emptyfile
