package spec_test

import (
	"encoding/json"
	"strings"
	"testing"

	"starkeep/workflows/spec"
)

func TestWhatAVerifyIsRefusedFor(t *testing.T) {
	for input, says := range map[string]string{
		`{"cluster":"c","where":"r"}`: "",
		`{"cluster":"c","where":"r","points":["all"],"sample":"1/7","repairFrom":"dr"}`:              "",
		`{"cluster":"c","where":"r","points":["latest~2","latest"],"content":"all","parallel":64}`:   "",
		`{"cluster":"c","where":"r","native":{"label":"by_hand"},"content":"sample","sample":"1/2"}`: "",
		`{"cluster":"c"}`: `field "where" is missing`,
		`{"cluster":"c","where":"r","repository":"r"}`:                           `field "repository" does not exist`,
		`{"cluster":"c","where":"r","points":["all","latest"]}`:                  `"all" stands alone`,
		`{"cluster":"c","where":"r","points":["latest~x"]}`:                      `write "latest"`,
		`{"cluster":"c","where":"r","content":"some"}`:                           `it is one of none, sample, all`,
		`{"cluster":"c","where":"r","content":"sample"}`:                         `write a share like "1/7"`,
		`{"cluster":"c","where":"r","sample":"1/0"}`:                             `write a share like "1/7"`,
		`{"cluster":"c","where":"r","sample":"1/1001"}`:                          `at most 1000 parts`,
		`{"cluster":"c","where":"r","sample":"1/7","content":"all"}`:             `leave one of them out`,
		`{"cluster":"c","where":"r","parallel":65}`:                              `at most 64`,
		`{"cluster":"c","where":"r","repairFrom":"r"}`:                           `name another one`,
		`{"cluster":"c","where":"r","native":{"label":"x"},"points":["latest"]}`: `exclude each other`,
		`{"cluster":"c","where":"r","native":{"label":"x"},"repairFrom":"dr"}`:   `needs restore points`,
		`{"cluster":"c","where":"r","native":{"label":"a/b"}}`:                   `letters, digits`,
	} {
		var in spec.Verify
		must(t, json.Unmarshal([]byte(input), &in))
		err := in.Validate()
		if says == "" && err != nil || says != "" && (err == nil || !strings.Contains(err.Error(), says)) {
			t.Errorf("%s: %v, want %q", input, err, says)
		}
	}
}
