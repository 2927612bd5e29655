package starrockssim

import (
	"slices"
	"unicode/utf16"
)

// javaOrder lists the keys as a Java HashMap of that size gives them: the FE goes through the objects of a job in this
// order, so it decides which of several bad tables is named, and what a failed RESTORE with AS has already touched.
func javaOrder[V any](m map[string]V) []string {
	size := uint32(16)
	for len(m) > int(size)*3/4 {
		size *= 2
	}
	keys := sortedKeys(m)
	slices.SortStableFunc(keys, func(a, b string) int {
		return int(javaHash(a)&(size-1)) - int(javaHash(b)&(size-1))
	})
	return keys
}

// javaHash is the hash a HashMap uses for a String.
func javaHash(s string) uint32 {
	var h uint32
	for _, u := range utf16.Encode([]rune(s)) {
		h = h*31 + uint32(u)
	}
	return h ^ h>>16
}
