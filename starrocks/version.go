package starrocks

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

// Version is a StarRocks version as an FE prints it: "3.5.0-37c7c51", "3.3.5", or "main-8902af1" for a build from the
// main branch, which counts as newer than every release (facts §8.2).
type Version struct {
	Major, Minor, Patch int
	Main                bool   // built from the main branch: no numbers
	Text                string // as the FE printed it
}

// ParseVersion reads what SHOW FRONTENDS and current_version() print.
func ParseVersion(text string) (Version, error) {
	v := Version{Text: text}
	number, _, _ := strings.Cut(strings.TrimSpace(text), "-")
	if number == "main" {
		v.Main = true
		return v, nil
	}
	number, _, _ = strings.Cut(number, " ")
	parts := strings.Split(number, ".")
	if len(parts) < 2 {
		return Version{}, fmt.Errorf("StarRocks version %q is not of the form 3.5.0-37c7c51", text)
	}
	for i, to := range []*int{&v.Major, &v.Minor, &v.Patch} {
		if i >= len(parts) {
			break
		}
		n, err := strconv.ParseUint(parts[i], 10, 16)
		if err != nil {
			return Version{}, fmt.Errorf("StarRocks version %q is not of the form 3.5.0-37c7c51", text)
		}
		*to = int(n)
	}
	return v, nil
}

// String is the version as the FE printed it.
func (v Version) String() string { return v.Text }

// Compare orders versions by their numbers; main is the newest. Build suffixes do not count.
func (v Version) Compare(o Version) int {
	if v.Main || o.Main {
		return cmp.Compare(b2i(v.Main), b2i(o.Main))
	}
	return cmp.Or(cmp.Compare(v.Major, o.Major), cmp.Compare(v.Minor, o.Minor), cmp.Compare(v.Patch, o.Patch))
}

// AtLeast says whether the version is major.minor or newer.
func (v Version) AtLeast(major, minor int) bool {
	return v.Compare(Version{Major: major, Minor: minor}) >= 0
}

// RestoresPrimaryKey says whether primary key tables can be backed up and restored (facts §10.1).
func (v Version) RestoresPrimaryKey() bool { return v.AtLeast(2, 5) }

// HasPartitionsMeta says whether information_schema.partitions_meta exists (facts §8.1).
func (v Version) HasPartitionsMeta() bool { return v.AtLeast(3, 3) }

// BacksUpListPartitions says whether LIST partitioned tables can be backed up (facts §10.1; late 3.1 and 3.2.12 can too,
// but not every 3.2).
func (v Version) BacksUpListPartitions() bool {
	return v.Compare(Version{Major: 3, Minor: 2, Patch: 12}) >= 0
}

// HasJSONMeta says whether __meta files are JSON, so that they can be read and edited (facts §5.5).
func (v Version) HasJSONMeta() bool { return v.AtLeast(3, 1) }

// HasRolePrivileges says whether the REPOSITORY and EXPORT privileges exist (facts §1.5).
func (v Version) HasRolePrivileges() bool { return v.AtLeast(3, 0) }

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}
