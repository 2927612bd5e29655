package spec_test

import (
	"encoding/json"
	"strings"
	"testing"

	"starkeep/workflows/spec"
)

func TestInputsOfPrunesAndPins(t *testing.T) {
	for text, want := range map[string]string{
		`{"cluster": "c", "where": "r", "policy": {"daily": 7, "minAge": "24h", "timeZone": "Europe/Berlin"}}`: "",
		`{"cluster": "c", "where": "r", "points": ["20261122T150405Z-1a2b3c"]}`:                                "",
		`{"cluster": "c", "where": "r", "selections": [{"tags": {"a": "b"}, "policy": {"keepLast": 1}}]}`:      "",
		`{"cluster": "c", "where": "r"}`:           `"policy" is missing`,
		`{"where": "r", "policy": {"daily": 1}}`:   `"cluster" is missing`,
		`{"cluster": "c", "policy": {"daily": 1}}`: `"where" is missing`,
		`{"cluster": "c", "where": "r", "points": ["20261122T150405Z-1a2b3c"], "policy": {"daily": 1}}`:           `leave "policy"`,
		`{"cluster": "c", "where": "r", "policy": {"dayly": 1}}`:                                                  `"dayly" does not exist`,
		`{"cluster": "c", "where": "r", "policy": {"daily": -1}}`:                                                 `"policy.daily" is -1`,
		`{"cluster": "c", "where": "r", "policy": {"daily": 1, "timeZone": "Mars"}}`:                              `"policy.timeZone" is "Mars"`,
		`{"cluster": "c", "where": "r", "policy": {"daily": 1, "timeZone": "Local"}}`:                             `"policy.timeZone" is "Local"`,
		`{"cluster": "c", "where": "r", "policy": {"timeZone": "UTC"}}`:                                           `"policy" is missing`,
		`{"cluster": "c", "where": "r", "policy": {"daily": 1}, "grace": 5}`:                                      `a duration is text`,
		`{"cluster": "c", "where": "r", "selections": [{"policy": {"daily": 1}}]}`:                                `matches every point`,
		`{"cluster": "c", "where": "r", "selections": [{"databases": ["a"], "policy": {}}]}`:                      `keeps nothing`,
		`{"cluster": "c", "where": "r", "selections": [{"databases": [""], "policy": {"daily": 1}}]}`:             `an empty pattern`,
		`{"cluster": "c", "where": "r", "selections": [{"databases": ["a"], "keep": 1, "policy": {"daily": 1}}]}`: `"keep" does not exist`,
		`{"cluster": "c", "where": "r", "policy": {"daily": 1}, "grace": "-1h"}`:                                  `"grace" is -`,
	} {
		var in spec.Prune
		if err := json.Unmarshal([]byte(text), &in); err != nil {
			t.Fatal(err)
		}
		wantProblem(t, text, in.Validate(), want)
	}
	for text, want := range map[string]string{
		`{"cluster": "c", "where": "r", "point": "latest~2", "reason": "x", "by": "ada"}`: "",
		`{"cluster": "c", "where": "r"}`:                                                               `"point" is missing`,
		`{"cluster": "c", "where": "r", "point": "latest~x"}`:                                          `"point" is "latest~x"`,
		`{"cluster": "c", "where": "r", "point": "latest", "why": "x"}`:                                `"why" does not exist`,
		`{"cluster": "c", "where": "r", "point": "latest", "by": "` + strings.Repeat("x", 1001) + `"}`: `at most 1000 bytes`,
	} {
		var in spec.Pin
		if err := json.Unmarshal([]byte(text), &in); err != nil {
			t.Fatal(err)
		}
		wantProblem(t, text, in.Validate(), want)
	}
}

func wantProblem(t *testing.T, text string, err error, want string) {
	t.Helper()
	if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
		t.Errorf("%.120s: %v, want %q", text, err, want)
	}
}
