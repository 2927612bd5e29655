package starrockssim

import (
	"cmp"
	"crypto/md5"
	"encoding/hex"
	"hash/fnv"
	"math/big"
	"strconv"
	"strings"
	"time"
)

// null is how a row holds SQL NULL.
const null = `\N`

func hash32(s string) uint32 {
	h := fnv.New32a()
	h.Write([]byte(s))
	return h.Sum32() & 0x7fffffff
}

func md5hex(b []byte) string {
	sum := md5.Sum(b)
	return hex.EncodeToString(sum[:])
}

// baseType is the type's name without its length: "varchar" of "varchar(20)".
func baseType(t string) string {
	t = strings.ToLower(t)
	if i := strings.IndexAny(t, "( "); i >= 0 {
		t = t[:i]
	}
	return t
}

func isNumber(t string) bool {
	switch baseType(t) {
	case "tinyint", "smallint", "int", "integer", "bigint", "largeint", "float", "double", "decimal", "boolean":
		return true
	}
	return false
}

func isTime(t string) bool { b := baseType(t); return b == "date" || b == "datetime" }

// compareValues orders two values of a column type; NULL is below everything, maxValue above.
func compareValues(typ, a, b string) int {
	if a == b {
		return 0
	}
	if a == null || b == maxValue {
		return -1
	}
	if b == null || a == maxValue {
		return 1
	}
	if isNumber(typ) {
		m, err1 := strconv.ParseInt(a, 10, 64)
		n, err2 := strconv.ParseInt(b, 10, 64)
		if err1 == nil && err2 == nil {
			return cmp.Compare(m, n)
		}
		x, okX := new(big.Rat).SetString(a)
		y, okY := new(big.Rat).SetString(b)
		if okX && okY {
			return x.Cmp(y)
		}
	}
	if isTime(typ) {
		return cmp.Compare(normalTime(typ, a), normalTime(typ, b))
	}
	return cmp.Compare(a, b)
}

// maxValue stands for MAXVALUE among bounds.
const maxValue = "\x00MAXVALUE"

// minValue is the lowest value of a type, the lower bound of the first range partition.
func minValue(typ string) string {
	switch baseType(typ) {
	case "date":
		return "0000-01-01"
	case "datetime":
		return "0000-01-01 00:00:00"
	case "tinyint":
		return "-128"
	case "smallint":
		return "-32768"
	case "int", "integer":
		return "-2147483648"
	case "bigint":
		return "-9223372036854775808"
	case "largeint":
		return "-170141183460469231731687303715884105728"
	}
	return ""
}

// normalTime brings a date or datetime into the form the column shows.
func normalTime(typ, v string) string {
	t, ok := parseTime(v)
	if !ok {
		return v
	}
	return formatTime(typ, t)
}

func formatTime(typ string, t time.Time) string {
	if baseType(typ) == "date" {
		return t.Format(time.DateOnly)
	}
	return t.Format(time.DateTime)
}

func parseTime(v string) (time.Time, bool) {
	for _, layout := range []string{time.DateTime, time.DateOnly, "20060102", "2006-1-2", "2006-01-02T15:04:05", "2006-01-02 15:04:05.999999"} {
		if t, err := time.Parse(layout, v); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

// truncTime is date_trunc(unit, t); next is the start of the following interval.
func truncTime(unit string, t time.Time) (start, next time.Time) {
	y, m, d := t.Date()
	switch strings.ToLower(unit) {
	case "year":
		start = time.Date(y, 1, 1, 0, 0, 0, 0, time.UTC)
	case "month":
		start = time.Date(y, m, 1, 0, 0, 0, 0, time.UTC)
	case "hour":
		start = time.Date(y, m, d, t.Hour(), 0, 0, 0, time.UTC)
	default:
		start = time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
	}
	return start, addTime(unit, start, 1)
}

func addTime(unit string, t time.Time, n int) time.Time {
	switch strings.ToLower(unit) {
	case "year":
		return t.AddDate(n, 0, 0)
	case "month":
		return t.AddDate(0, n, 0)
	case "week":
		return t.AddDate(0, 0, 7*n)
	case "hour":
		return t.Add(time.Duration(n) * time.Hour)
	}
	return t.AddDate(0, 0, n)
}

// automaticName is the name an automatic partition gets.
func automaticName(unit string, start time.Time) string {
	switch strings.ToLower(unit) {
	case "year":
		return "p" + start.Format("2006")
	case "month":
		return "p" + start.Format("200601")
	case "hour":
		return "p" + start.Format("2006010215")
	}
	return "p" + start.Format("20060102")
}
