package restorepoint

import (
	"regexp"
	"strings"
	"testing"
)

// names are names that StarRocks takes and programs stumble over.
var names = []string{"sales", "a b", "a,b", "a-b", "日本語", "$shadow", "Größe", "x__restore_", "_", "~tilde", "100%", "a/b", "a.b", "..",
	"naïve café", "\u00a0", "emoji😀", "x\ty", strings.Repeat("long", 100), strings.Repeat("長い", 130), "+", "a+b", `a"b`, "a'b", "<&>"}

func TestLabelsAreSafePathsAndGlobs(t *testing.T) {
	safe := regexp.MustCompile(`^sk_[A-Za-z0-9_]{0,24}_[0-9a-f]{12}_u[0-9]+_a[0-9]+$`)
	for _, name := range names {
		for _, number := range []int{1, 17, 2000, 1 << 62} {
			label := Label(name, "workflow/run", number, number)
			if !safe.MatchString(label) || len(label) > 64 {
				t.Errorf("%q, %d: label %q", name, number, label)
			}
		}
	}
	if got := Label("sales", "seed", 3, 2); got != "sk_sales_"+digest(12, "seed", "sales")+"_u3_a2" {
		t.Errorf("label %q", got)
	}
}

func TestLabelsOfDifferentThingsDiffer(t *testing.T) {
	seen := map[string][]any{}
	for _, database := range append(names, "a_b", "x") {
		for _, seed := range []string{"", "s", "sx", "t"} {
			for unit := 1; unit <= 12; unit++ {
				for attempt := 1; attempt <= 3; attempt++ {
					label := Label(database, seed, unit, attempt)
					if other, ok := seen[label]; ok {
						t.Fatalf("%q for %v and %v", label, other, []any{database, seed, unit, attempt})
					}
					seen[label] = []any{database, seed, unit, attempt}
				}
			}
		}
	}
}

func TestTablesOfASwapAreRecognised(t *testing.T) {
	for _, name := range names {
		for _, made := range []string{BesideTable(name, "run"), BeforeTable(name, "run"), BesideTable(BeforeTable(name, "run"), "run2")} {
			if !IsBeside(made) {
				t.Errorf("%q is not recognised", made)
			}
		}
		if IsBeside(name) {
			t.Errorf("%q is taken for a table of a swap", name)
		}
	}
	for _, name := range []string{"__restore_01234567", "t__restore_0123456", "t__restore_012345678", "t__restore_0123456G", "t__restored_01234567", "t__before_01234567x", "t_before_01234567"} {
		if IsBeside(name) {
			t.Errorf("%q is taken for a table of a swap", name)
		}
	}
	if BesideTable("t", "a") == BesideTable("t", "b") || BesideTable("t", "a") == BeforeTable("t", "a") {
		t.Error("names of different restores are equal")
	}
}

func TestWhatStarkeepWritesIsKnownByItsLabel(t *testing.T) {
	for label, own := range map[string]bool{
		Label("sales", "run", 1, 2):                                                   true,
		ComposedLabel("sales", "run", 3):                                              true,
		"sk_beside_" + strings.TrimPrefix(Label("sales", "run", 1, 2), "sk_"):         true,
		"sk_beside_" + strings.TrimPrefix(Label("sales", "run", 1, 2), "sk_") + "_m3": true, // the third attempt to mend a broken COMMIT
		Label("sales", "run", 1, 2) + "_m3":                                           false,
		ComposedLabel("sales", "run", 3) + "_m1":                                      false,
		"sk_beside_sales_m3":                                                          false,
		"nightly":                                                                     false,
	} {
		if IsOwnLabel(label) != own {
			t.Errorf("%s: own is %t, want %t", label, !own, own)
		}
	}
}
