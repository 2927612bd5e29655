package storage

import (
	"strings"
	"unicode/utf8"
)

// maxKey is what S3 allows (1,024 bytes) less some room for the location's prefix.
const maxKey = 1000

// badKey says why a key is not one of the interface's, or "".
func badKey(key string) string {
	if reason := unreadableKey(key); reason != "" {
		return reason
	}
	for segment := range strings.SplitSeq(key, "/") {
		switch segment {
		case "":
			return "key has an empty segment"
		case ".", "..":
			return `key has a segment "." or ".."`
		}
	}
	return ""
}

// unreadableKey says why no object of any provider can have that key, or "". Foreign objects may have keys that badKey
// refuses, such as "folder/".
func unreadableKey(key string) string {
	switch {
	case key == "":
		return "key is empty"
	case len(key) > maxKey:
		return "key is longer than 1,000 bytes"
	case !utf8.ValidString(key):
		return "key is not UTF-8"
	case strings.ContainsRune(key, 0):
		return "key holds NUL"
	}
	return ""
}

// keyError is nil when reason is empty.
func keyError(op, key, reason string) error {
	if reason == "" {
		return nil
	}
	return invalid(op, key, "%s", reason)
}
