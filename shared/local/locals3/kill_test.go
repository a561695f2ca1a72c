package locals3_test

const childEnv = "LOCALS3_TEST_CHILD"

func child(dir string) int { return 0 }
