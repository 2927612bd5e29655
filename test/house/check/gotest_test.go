package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestSummariseCountsTestsAndShowsFailures(t *testing.T) {
	tests := []struct {
		name   string
		events string
		want   count
		shows  []string
	}{
		{
			name: "a test with subtests is counted through them",
			events: `{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"run","Package":"p","Test":"TestA/x"}
{"Action":"run","Package":"p","Test":"TestA/y"}
{"Action":"pass","Package":"p","Test":"TestA/x"}
{"Action":"pass","Package":"p","Test":"TestA/y"}
{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"pass","Package":"p","Elapsed":1.25}`,
			want:  count{passed: 2},
			shows: []string{"ok", "1.3s", "(2 passed, 0 failed, 0 skipped)"},
		},
		{
			name: "a failing subtest is one failure, and its words are shown",
			events: `{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"run","Package":"p","Test":"TestA/x"}
{"Action":"output","Package":"p","Test":"TestA/x","Output":"wanted 1, got 2\n"}
{"Action":"fail","Package":"p","Test":"TestA/x"}
{"Action":"fail","Package":"p","Test":"TestA"}
{"Action":"fail","Package":"p"}`,
			want:  count{failed: 1},
			shows: []string{"p TestA/x", "wanted 1, got 2"},
		},
		{
			name: "a parent that fails by itself is counted",
			events: `{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"run","Package":"p","Test":"TestA/x"}
{"Action":"pass","Package":"p","Test":"TestA/x"}
{"Action":"fail","Package":"p","Test":"TestA"}
{"Action":"fail","Package":"p"}`,
			want: count{passed: 1, failed: 1},
		},
		{
			name: "a package that does not build is one failure",
			events: `{"ImportPath":"p [p.test]","Action":"build-output","Output":"./a.go:3:1: syntax error\n"}
{"ImportPath":"p [p.test]","Action":"build-fail"}
{"Action":"start","Package":"p"}
{"Action":"output","Package":"p","Output":"FAIL\tp [build failed]\n"}
{"Action":"fail","Package":"p","FailedBuild":"p [p.test]"}`,
			want:  count{failed: 1},
			shows: []string{"syntax error"},
		},
		{
			name: "a test that takes the process down is one failure",
			events: `{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestA","Output":"panic: oh\n"}
{"Action":"fail","Package":"p"}`,
			want:  count{failed: 1},
			shows: []string{"TestA did not end", "panic: oh"},
		},
		{
			name: "a skip is shown with what it needs",
			events: `{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestA","Output":"install mariadb-client-core\n"}
{"Action":"skip","Package":"p","Test":"TestA"}
{"Action":"pass","Package":"p"}`,
			want:  count{skipped: 1},
			shows: []string{"SKIP", "install mariadb-client-core"},
		},
		{
			name:   "a package without tests counts nothing",
			events: `{"Action":"skip","Package":"p"}`,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var out bytes.Buffer
			got, err := summarise(strings.NewReader(test.events), &out)
			if err != nil {
				t.Fatal(err)
			}
			if got != test.want {
				t.Errorf("counted %+v, want %+v\n%s", got, test.want, &out)
			}
			for _, text := range test.shows {
				if !strings.Contains(out.String(), text) {
					t.Errorf("output lacks %q:\n%s", text, &out)
				}
			}
		})
	}
}

func TestSummariseReportsOutputThatIsNoEvents(t *testing.T) {
	if _, err := summarise(strings.NewReader("flag provided but not defined"), &bytes.Buffer{}); err == nil {
		t.Error("no error for output that is not JSON")
	}
}
