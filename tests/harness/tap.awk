# SPDX-License-Identifier: GPL-2.0-or-later
# Counts the TAP of one suite, in which several TAP programs may follow each other, for ./run check.
# In: -v suite=NAME -v rc=STATUS -v must=KEYS. Out: what went wrong, then "COUNT passed failed skipped".

# Subtests are indented and belong to the test that follows them.
/^[ \t]/ { next }

/^1\.\.[0-9]+/ {
    n = substr($1, 4) + 0
    if (n == 0 && tolower($0) ~ /# *skip/) {
        end_program()
        skip(skip_reason($0))
    } else if (plan < 0 && seen > 0 && waiting < 0) {
        # The plan at the end of a program, or at the start of the next one: the next test's number tells.
        waiting = n
    } else {
        end_program()
        plan = n
    }
    next
}

/^(not )?ok([ \t]|$)/ {
    number = ($1 == "not") ? $3 : $2
    begin_test(number)
    if ($1 == "not") {
        fail($0)
    } else if (tolower($0) ~ /# *skip/) {
        skip(skip_reason($0))
    } else {
        passed++
    }
    next
}

/^Bail out!/ { fail($0) }

BEGIN {
    plan = waiting = -1
    seen = 0
    gsub(/ /, "", must)
}

END {
    end_program()
    if (rc != 0 && failed == 0) {
        fail("it ended with status " rc " without saying which test failed")
    }
    if (passed + failed + skipped == 0) {
        fail("it reported no test at all")
    }
    print "COUNT", passed + 0, failed + 0, skipped + 0
}

# A test with the number 1 begins a program, unless its plan has just begun one.
function begin_test(number) {
    if (number == "1" && seen > 0) {
        next_plan = (waiting >= 0 && waiting != seen) ? waiting : -1
        if (next_plan >= 0) {
            waiting = -1
        }
        end_program()
        plan = next_plan
    }
    seen++
}

# A program ends: it must have run as many tests as it planned.
function end_program() {
    if (plan < 0) {
        plan = waiting
    }
    if (plan >= 0 && plan != seen) {
        fail("a plan of " plan " tests, but " seen " reported")
    }
    plan = waiting = -1
    seen = 0
}

function fail(what) {
    failed++
    print "  failed: " suite ": " what
}

# The key of a skip's reason says what is missing; where that must be there, a skip is a failure.
function skip(reason) {
    key = reason
    sub(/:.*/, "", key)
    if (index(reason, ":") > 0 && index("," must ",", "," key ",") > 0) {
        fail("skipped, but CLOCKFERRY_MUST_WORK names " key ": " reason)
    } else {
        skipped++
    }
}

function skip_reason(line) {
    sub(/^.*# *[Ss][Kk][Ii][Pp][A-Za-z]*[: \t]*/, "", line)
    return line
}
