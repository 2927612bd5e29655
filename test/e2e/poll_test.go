package e2e

import (
	"testing"
	"time"
)

// limit is for what comes sooner or later: nobody claims that it is quick, and the machine may be busy.
const limit = 5 * time.Minute

// poll asks until the answer is yes, and tells whether it was in time. It asks less and less often: the machine has others to
// serve, first of all those that are waited for.
func poll(met func() bool) bool {
	pause, deadline := 5*time.Millisecond, time.Now().Add(limit)
	for !met() {
		if time.Now().After(deadline) {
			return false
		}
		<-time.After(pause)
		pause = min(pause*5/4, 100*time.Millisecond)
	}
	return true
}

func eventually(t *testing.T, what string, met func() bool) {
	t.Helper()
	if !poll(met) {
		t.Fatalf("waited in vain for %s", what)
	}
}

// nextSecond waits for the second after this one: ids of restore points and times of versions have no fractions.
func nextSecond(t *testing.T) {
	t.Helper()
	now := time.Now()
	<-time.After(time.Until(now.Truncate(time.Second).Add(time.Second)))
}
