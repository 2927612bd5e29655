package activities

// What the plan of a restore compares, for tests.
var DropsSoon = dropsSoon

// RangesOverlap tells whether two ranges that the catalog prints overlap.
func RangesOverlap(a, b string) bool {
	x, _ := parseRange(a)
	y, _ := parseRange(b)
	return x.overlaps(y)
}

// CompareDefinitions tells the first difference that matters, whether StarRocks would notice it, and all as a diff.
func CompareDefinitions(saved, live string) (first string, noticed bool, diff []string) {
	d := compareDefinitions(saved, live)
	return d.first, d.noticed, d.diff
}
