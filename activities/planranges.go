package activities

import (
	"cmp"
	"fmt"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"starkeep/starrocks"
)

// keyRange is a RANGE partition: from, up to but not including to; columns one by one.
type keyRange struct{ from, to []string }

const maxValue = "MAXVALUE"

// [types: [DATE]; keys: [2024-01-01]; ..types: [DATE]; keys: [2025-01-01]; )
var rangeForm = regexp.MustCompile(`^\[types: \[.*?\]; keys: \[(.*?)\]; \.\.types: \[.*?\]; keys: \[(.*?)\]; \)$`)

// parseRange reads a range as the catalog prints it (facts §8.1).
func parseRange(value string) (keyRange, bool) {
	found := rangeForm.FindStringSubmatch(value)
	if found == nil {
		return keyRange{}, false
	}
	return keyRange{strings.Split(found[1], ", "), strings.Split(found[2], ", ")}, true
}

// overlaps tells whether two ranges have a key in common.
func (r keyRange) overlaps(o keyRange) bool {
	return slices.CompareFunc(r.from, o.to, compareKeys) < 0 && slices.CompareFunc(o.from, r.to, compareKeys) < 0
}

// compareKeys compares numbers as numbers, all else as text, which is right for dates as StarRocks prints them.
func compareKeys(a, b string) int {
	switch {
	case a == b:
		return 0
	case a == maxValue:
		return 1
	case b == maxValue:
		return -1
	}
	x, isNumber := new(big.Int).SetString(a, 10)
	y, too := new(big.Int).SetString(b, 10)
	if isNumber && too {
		return x.Cmp(y)
	}
	return cmp.Compare(a, b)
}

// Properties that let StarRocks drop partitions by itself.
const (
	dynamicStart    = "dynamic_partition.start"
	dynamicUnit     = "dynamic_partition.time_unit"
	dynamicZone     = "dynamic_partition.time_zone"
	liveNumber      = "partition_live_number"
	partitionTTL    = "partition_ttl"
	retentionPolicy = "partition_retention_condition"
)

// dropsSoon tells whether the scheduler of dynamic partitions would drop a partition of this range at its next run, within
// 10 minutes and past recovery (starrocks-measured C 41c): all that ends before its window begins.
func dropsSoon(properties map[string]string, value string, now time.Time) bool {
	if properties[dynamicEnable] != "true" {
		return false
	}
	start, err := strconv.Atoi(properties[dynamicStart])
	if err != nil || start < -100000 { // StarRocks' default, the smallest int: nothing is dropped
		return false
	}
	r, ok := parseRange(value)
	if !ok || r.to[0] == maxValue {
		return false
	}
	if zone, err := time.LoadLocation(properties[dynamicZone]); err == nil {
		now = now.In(zone)
	}
	return compareKeys(digits(r.to[0]), digits(windowBegin(now, strings.ToUpper(properties[dynamicUnit]), start).Format(time.DateTime))) <= 0
}

// windowBegin is the first instant that the scheduler keeps: start units (a negative number) before the one of now.
func windowBegin(now time.Time, unit string, start int) time.Time {
	y, m, d := now.Date()
	switch unit {
	case "HOUR":
		return time.Date(y, m, d, now.Hour()+start, 0, 0, 0, now.Location())
	case "WEEK":
		monday := d - (int(now.Weekday())+6)%7
		return time.Date(y, m, monday+7*start, 0, 0, 0, 0, now.Location())
	case "MONTH":
		return time.Date(y, m+time.Month(start), 1, 0, 0, 0, 0, now.Location())
	case "YEAR":
		return time.Date(y+start, 1, 1, 0, 0, 0, 0, now.Location())
	}
	return time.Date(y, m, d+start, 0, 0, 0, 0, now.Location())
}

// digits makes 2026-01-02, 2026-01-02 03:04:05 and 20260102 comparable: 14 digits.
func digits(text string) string {
	only := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, text)
	return fmt.Sprintf("%-14.14s", only+strings.Repeat("0", max(0, 14-len(only))))
}

// retention says which property makes StarRocks drop old partitions, other than dynamic partitioning; "" for none.
func retention(t starrocks.Table) string {
	for _, name := range []string{liveNumber, partitionTTL, retentionPolicy} {
		if v := t.Properties[name]; v != "" && v != "-1" && v != "0" {
			return fmt.Sprintf("%s = %s", name, v)
		}
	}
	return ""
}
