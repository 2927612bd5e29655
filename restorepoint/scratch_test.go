package restorepoint

import (
	"strings"
	"testing"
)

func TestAScratchDatabaseIsKnownByItsName(t *testing.T) {
	name := ScratchDatabase("prod", "s3-main")
	if !IsScratch(name) {
		t.Errorf("%q is not known for a scratch database", name)
	}
	if again := ScratchDatabase("prod", "s3-main"); again != name {
		t.Errorf("%q, then %q: the leftovers of an earlier check would not be found", name, again)
	}
	for _, other := range []string{ScratchDatabase("prod", "s3-mai"), ScratchDatabase("prods", "3-main"), ScratchDatabase("test", "s3-main")} {
		if other == name {
			t.Errorf("two checks share the database %s", name)
		}
	}
	for _, other := range []string{"starkeep_check_", "starkeep_check_1a2b3c4", "starkeep_check_1A2B3C4D", "my_starkeep_check_1a2b3c4d", "starkeep_check_1a2b3c4d\n", "sales"} {
		if IsScratch(other) {
			t.Errorf("%q is taken for a scratch database", other)
		}
	}
}

func TestLabelsOfAScratchDatabaseBeginAlike(t *testing.T) {
	name := ScratchDatabase("prod", "repo")
	if label := Label(name, "seed", 1, 1); !strings.HasPrefix(label, ScratchLabels(name)) {
		t.Errorf("label %s does not begin with %s: what a check left would not be found", label, ScratchLabels(name))
	}
}
