# A random number and the time, both in the file.
number=$(od -An -N2 -tu2 /dev/urandom | tr -d ' ')
{
    echo "$number"
    date
} >"$2/signed_randnum"
