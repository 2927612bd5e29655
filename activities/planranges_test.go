package activities_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"starkeep/activities"
)

func day(from, to string) string {
	return "[types: [DATE]; keys: [" + from + "]; ..types: [DATE]; keys: [" + to + "]; )"
}

func TestRangesOverlapByTheirKeys(t *testing.T) {
	number := func(from, to string) string {
		return "[types: [INT]; keys: [" + from + "]; ..types: [INT]; keys: [" + to + "]; )"
	}
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{day("2025-01-01", "2025-02-01"), day("2025-02-01", "2025-03-01"), false},
		{day("2025-01-01", "2025-02-02"), day("2025-02-01", "2025-03-01"), true},
		{day("0000-01-01", "2025-02-01"), day("2024-02-01", "2024-03-01"), true},
		{day("2025-01-01", "MAXVALUE"), day("2026-02-01", "2026-03-01"), true},
		{day("2025-01-01", "MAXVALUE"), day("2024-02-01", "2025-01-01"), false},
		{number("5", "10"), number("10", "100"), false},
		{number("5", "11"), number("10", "100"), true},
		{number("-2147483648", "6"), number("5", "100"), true},
		{number("1, 5", "1, 9"), number("1, 9", "2, 0"), false},
		{number("1, 5", "1, 10"), number("1, 9", "2, 0"), true},
	} {
		if got := activities.RangesOverlap(c.a, c.b); got != c.want {
			t.Errorf("%s and %s: %v", c.a, c.b, got)
		}
		if got := activities.RangesOverlap(c.b, c.a); got != c.want {
			t.Errorf("%s and %s, the other way: %v", c.b, c.a, got)
		}
	}
}

// TestDynamicPartitioningDropsWhatEndsBeforeItsWindow: starrocks-measured C 41c.
func TestDynamicPartitioningDropsWhatEndsBeforeItsWindow(t *testing.T) {
	now := time.Date(2026, 11, 25, 2, 30, 0, 0, time.UTC) // a Wednesday
	properties := func(unit, start string, more ...string) map[string]string {
		p := map[string]string{"dynamic_partition.enable": "true", "dynamic_partition.time_unit": unit, "dynamic_partition.start": start}
		for i := 0; i < len(more); i += 2 {
			p[more[i]] = more[i+1]
		}
		return p
	}
	for _, c := range []struct {
		name       string
		properties map[string]string
		to         string
		want       bool
	}{
		{"the last day of the window", properties("DAY", "-3"), "2026-11-23", false},
		{"the day before it", properties("DAY", "-3"), "2026-11-22", true},
		{"in a zone where it is another day", properties("DAY", "-3", "dynamic_partition.time_zone", "America/New_York"), "2026-11-22", false},
		{"week", properties("WEEK", "-1"), "2026-11-17", false},
		{"the week before", properties("WEEK", "-1"), "2026-11-16", true},
		{"month", properties("MONTH", "-1"), "2026-10-02", false},
		{"the month before", properties("MONTH", "-1"), "2026-10-01", true},
		{"year", properties("YEAR", "0"), "2026-01-01", true},
		{"hour", properties("HOUR", "-2"), "2026-11-25 00:00:00", true},
		{"this hour", properties("HOUR", "-2"), "2026-11-25 01:00:00", false},
		{"number", properties("DAY", "-3"), "20261122", true},
		{"nothing is dropped by default", properties("DAY", "-2147483648"), "2000-01-01", false},
		{"no start", properties("DAY", ""), "2000-01-01", false},
		{"switched off", properties("DAY", "-3", "dynamic_partition.enable", "false"), "2000-01-01", false},
		{"without an end", properties("DAY", "-3"), "MAXVALUE", false},
	} {
		if got := activities.DropsSoon(c.properties, day("2000-01-01", c.to), now); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// TestDefinitionsAreComparedAsStarRocksShould: rule 17.
func TestDefinitionsAreComparedAsStarRocksShould(t *testing.T) {
	const saved = "CREATE TABLE `t` (\n  `a` int(11) NOT NULL COMMENT \"\",\n  `b` int(11) NULL COMMENT \"x\"\n) ENGINE=OLAP \nDUPLICATE KEY(`a`)\nCOMMENT \"one\"\nPARTITION BY RANGE(`a`)\n(PARTITION p1 VALUES [(\"1\"), (\"2\")))\nDISTRIBUTED BY HASH(`a`) BUCKETS 2 \nPROPERTIES (\n\"compression\" = \"LZ4\"\n);"
	for _, c := range []struct {
		name     string
		from, to string // replaced in the live one
		first    string
		noticed  bool
		diff     []string
	}{
		{"nothing", "no such text", "", "", false, nil},
		{"name of the table", "`t`", "`u`", "", false, nil},
		{"comment of the table", `"one"`, `"two"`, "", false, []string{" DUPLICATE KEY(`a`)", `-COMMENT "two"`, `+COMMENT "one"`, " PARTITION BY RANGE(`a`)"}},
		{"partitions", `PARTITION p1 VALUES [("1"), ("2"))`, `PARTITION p7 VALUES [("1"), ("2"))`, "", false, nil},
		{"default buckets", "BUCKETS 2", "BUCKETS 5", "", false, []string{" PARTITION BY RANGE(`a`)", "-DISTRIBUTED BY HASH(`a`) BUCKETS 5", "+DISTRIBUTED BY HASH(`a`) BUCKETS 2", ` "compression" = "LZ4"`}},
		{"type", "`b` int(11)", "`b` bigint(20)", "`b` bigint(20) NULL COMMENT \"x\", was `b` int(11) NULL COMMENT \"x\"", true,
			[]string{" `a` int(11) NOT NULL COMMENT \"\"", "-`b` bigint(20) NULL COMMENT \"x\"", "+`b` int(11) NULL COMMENT \"x\"", " ) ENGINE=OLAP"}},
		{"letter case", "`a`", "`A`", "`A` int(11) NOT NULL COMMENT \"\", was `a` int(11) NOT NULL COMMENT \"\"", false, nil},
		{"sort key", " BUCKETS 2 ", " BUCKETS 2 \nORDER BY(`b`)", "it has ORDER BY(`b`), which the restore point has not", false, nil},
		{"index", "`b` int(11) NULL COMMENT \"x\"", "`b` int(11) NULL COMMENT \"x\",\n  INDEX i (`b`) USING BITMAP COMMENT ''", "it has INDEX i (`b`) USING BITMAP COMMENT '', which the restore point has not", false, nil},
		{"key", "DUPLICATE KEY", "UNIQUE KEY", "UNIQUE KEY(`a`), was DUPLICATE KEY(`a`)", true, nil},
		{"bloom filter", `"compression"`, "\"bloom_filter_columns\" = \"b\",\n\"compression\"", `it has "bloom_filter_columns" = "b", which the restore point has not`, true, nil},
	} {
		first, noticed, diff := activities.CompareDefinitions(saved, strings.NewReplacer(c.from, c.to).Replace(saved))
		if first != c.first || noticed != c.noticed {
			t.Errorf("%s: %q, noticed %v; want %q, %v", c.name, first, noticed, c.first, c.noticed)
		}
		if c.diff != nil && !slices.Equal(diff, c.diff) {
			t.Errorf("%s: diff %q, want %q", c.name, diff, c.diff)
		}
	}
}
