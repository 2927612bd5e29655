package starrocks

import "testing"

func TestVersionsCompareByNumbers(t *testing.T) {
	ordered := []string{"2.5.22-abc", "3.0.8", "3.2.9-x", "3.2.12", "3.3.0", "3.5.0-37c7c51", "3.10.1", "4.0.0", "main-8902af1"}
	for i, a := range ordered {
		for j, b := range ordered {
			va, errA := ParseVersion(a)
			vb, errB := ParseVersion(b)
			if errA != nil || errB != nil {
				t.Fatal(errA, errB)
			}
			if got := va.Compare(vb); (got < 0) != (i < j) || (got > 0) != (i > j) {
				t.Errorf("%s against %s: %d", a, b, got)
			}
		}
	}
	for _, bad := range []string{"", "3", "x.y", "3.x", "-", "99999999.1"} {
		if v, err := ParseVersion(bad); err == nil {
			t.Errorf("%q was read as %+v", bad, v)
		}
	}
}

func TestVersionKnowsWhatIsThere(t *testing.T) {
	for text, want := range map[string][5]bool{ // primary key, partitions_meta, LIST, JSON meta, role privileges
		"2.4.0":        {false, false, false, false, false},
		"2.5.1":        {true, false, false, false, false},
		"3.1.0":        {true, false, false, true, true},
		"3.2.12":       {true, false, true, true, true},
		"3.5.0-37c7c5": {true, true, true, true, true},
		"main-37c7c51": {true, true, true, true, true},
	} {
		v, err := ParseVersion(text)
		if err != nil {
			t.Fatal(err)
		}
		got := [5]bool{v.RestoresPrimaryKey(), v.HasPartitionsMeta(), v.BacksUpListPartitions(), v.HasJSONMeta(), v.HasRolePrivileges()}
		if got != want || v.String() != text {
			t.Errorf("%s: %v", text, got)
		}
	}
}
