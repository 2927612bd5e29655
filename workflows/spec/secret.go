package spec

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

var (
	secretField = regexp.MustCompile(`(?i)passw|passphrase|^pwd$|secret|token|access_?key|api_?key|private_?key|credential`)
	secretValue = regexp.MustCompile(`AKIA[0-9A-Z]{16}|ASIA[0-9A-Z]{16}|-----BEGIN|://[^/"\s]+:[^/"\s]+@|:[^/\s]+@tcp\(|(?i:x-amz-(?:signature|credential|security-token)|[?&](?:sig|signature|token|password)=)`)
	awsSecret   = regexp.MustCompile(`^[A-Za-z0-9/+]{40}$`)
)

const secretAdvice = "inputs are stored in the workflow's history in clear: name a profile of the worker's configuration instead, and rotate this secret"

// secretsIn finds what looks like a secret. It never repeats the value: an input is stored in the history.
func secretsIn(data []byte) problems {
	var input any
	if json.Unmarshal(data, &input) != nil {
		input = string(data)
	}
	if found := secretIn(input, false); found != "" {
		return problems{found + " looks like a secret; " + secretAdvice}
	}
	return nil
}

// secretIn says where a secret seems to be, or "". The fields of "rename" are names of databases and tables: a table may
// well be called "tokens".
func secretIn(input any, objectNames bool) string {
	switch v := input.(type) {
	case string:
		if looksSecret(v) {
			return "a value (key, password in an address, signed address)"
		}
	case []any:
		for _, item := range v {
			if found := secretIn(item, false); found != "" {
				return found
			}
		}
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			if found := secretUnder(name, v[name], objectNames); found != "" {
				return found
			}
		}
	}
	return ""
}

func secretUnder(name string, value any, objectNames bool) string {
	switch {
	case looksSecret(name):
		return "a field's name"
	case !objectNames && secretField.MatchString(name):
		return fmt.Sprintf("field %q", name)
	}
	return secretIn(value, name == "rename")
}

// looksSecret knows the forms of keys and passwords. 40 characters are an AWS secret key only if they are mixed as such
// keys are: a git commit or a long name is none.
func looksSecret(text string) bool {
	if awsSecret.MatchString(text) {
		return strings.ContainsAny(text, "0123456789") && strings.ToLower(text) != text && strings.ToUpper(text) != text
	}
	return secretValue.MatchString(text)
}
