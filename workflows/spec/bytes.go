package spec

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
)

// Bytes writes a number of bytes for people: "0 B", "1.5 GiB".
func Bytes(n int64) string {
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	value, unit := float64(n), 0
	for value >= 1024 && unit < 6 {
		value /= 1024
		unit++
	}
	return fmt.Sprintf("%.1f %ciB", value, " KMGTPE"[unit])
}

var bytesForm = regexp.MustCompile(`^([0-9]{1,15})(B|KiB|MiB|GiB|TiB)?$`)

// ParseBytes reads a number of bytes as people write it: "1048576", "64KiB", "100MiB", "2GiB", "1TiB".
func ParseBytes(text string) (int64, error) {
	m := bytesForm.FindStringSubmatch(text)
	if m == nil {
		return 0, errors.New("want a number of bytes, such as 1048576, 64KiB, 100MiB, 2GiB")
	}
	n, err := strconv.ParseInt(m[1], 10, 64)
	if err != nil {
		return 0, err
	}
	shift := map[string]int{"": 0, "B": 0, "KiB": 10, "MiB": 20, "GiB": 30, "TiB": 40}[m[2]]
	if n > (1<<62)>>shift {
		return 0, errors.New("the number of bytes is too large")
	}
	return n << shift, nil
}
