package spec

import (
	"strconv"
	"strings"
)

// LatestPoint stands for the newest complete restore point; "latest~2" is the second complete one before it.
const LatestPoint = "latest"

// maxBack bounds N of latest~N: more is a slip of the hand, and each step reads a manifest.
const maxBack = 100_000

// Latest tells whether a point is named by its age, and how many complete points before the newest are meant: 0 for ""
// and "latest", 2 for "latest~2".
func Latest(point string) (back int, ok bool) {
	if point == "" || point == LatestPoint {
		return 0, true
	}
	digits, found := strings.CutPrefix(point, LatestPoint+"~")
	n, err := strconv.Atoi(digits)
	if !found || err != nil || n < 0 || n > maxBack || strconv.Itoa(n) != digits {
		return 0, false
	}
	return n, true
}

// checkPoint reports a restore point that is neither an id nor latest nor latest~N.
func (p *problems) checkPoint(field, value string) {
	if _, ok := Latest(value); ok {
		return
	}
	if strings.HasPrefix(value, LatestPoint) {
		p.add(`field %q is %q; write "latest", or "latest~2" for the second complete point before it`, field, value)
		return
	}
	p.checkName(field, value, false)
}
