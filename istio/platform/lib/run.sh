# shellcheck shell=bash
# How the platform does anything at all: a step has a title and an advice, and whatever runs is printed first.
# Knows neither regions nor tools.

STEP='' ADVICE=''

say() { printf '%s\n' "$*"; }

die() {
    printf 'platform.sh: %s\n' "$*" >&2
    STEP='' # the message says it all
    exit 1
}

step() { # TITLE ADVICE
    STEP=$1 ADVICE=$2
    printf '\n# %s\n' "$STEP"
}

# Prints the text and lets this shell evaluate it, variables and here-documents included: what is read is what runs.
# With --dry-run it is only printed. So the texts are constants of these files, versions, and names that topology.sh has checked.
run() { # TEXT
    printf '%s\n' "$1"
    [[ -n $DRY_RUN ]] || eval "$1"
}

# For the EXIT trap: `set -e` ends the script at the first command that fails, and this says what that means.
report_failure() {
    local status=$?
    ((status != 0)) && [[ -n $STEP ]] || return 0
    {
        printf '\nplatform.sh: this failed: %s\n' "$STEP"
        printf '  What to do: %s\n' "$ADVICE"
        printf '  Then run the same command again. What is there already stays as it is.\n'
    } >&2
}
