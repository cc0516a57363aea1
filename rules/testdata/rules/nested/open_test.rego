package tracee.Mine_2

test_nothing { false }
