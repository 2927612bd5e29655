package main

import (
	"encoding/json"
	"strings"
	"testing"

	"starkeep/workflows/spec"
)

// checkedRepository lacks one right of StarRocks, reached by two BEs of three.
var checkedRepository = spec.CheckRepositoryResult{
	Cluster: "prod", Repository: "s3-eu", Location: "s3a://backups/starrocks", Scratch: true,
	Rights: []spec.RightRow{
		{Side: spec.SideWorker, Right: spec.RightList, OK: true},
		{Side: spec.SideWorker, Right: spec.RightWrite, OK: true},
		{Side: spec.SideFE, Right: spec.RightRepository, OK: true, Message: "s3_eu at s3a://backups/starrocks"},
		{Side: spec.SideFE, Right: spec.RightWrite, OK: true},
		{Side: spec.SideFE, Right: spec.RightDelete, Type: spec.ErrorAuthDenied,
			Message: "failed to delete remote path: s3a://backups/starrocks/__starrocks_repository_s3_eu/__ss_sk_starkeep_check_1a2b3c4d_0123456789ab_u1_a1/__meta.part. msg: delete path …error",
			Fix:     "give StarRocks' user s3:DeleteObject on arn:aws:s3:::backups/starrocks/* (starkeep repo policy s3-eu --for starrocks prints all it needs)"},
		{Side: spec.SideFE, Right: spec.RightRead, NotTried: true, Message: "not tried: an earlier step failed"},
		{Side: spec.SideBE, Backend: 10001, Right: spec.RightWrite, OK: true},
		{Side: spec.SideBE, Backend: 10002, Right: spec.RightWrite, OK: true},
		{Side: spec.SideBE, Backend: 10003, Right: spec.RightWrite, Type: spec.ErrorStorageUnavailable, Message: "curlCode: 7,\x1b[2J connection refused", Fix: "let this BE reach the store"},
		{Side: spec.SideBE, Backend: 10001, Right: spec.RightRead, NotTried: true, Message: "not tried: an earlier step failed"},
		{Side: spec.SideBE, Backend: 10002, Right: spec.RightRead, NotTried: true, Message: "not tried: an earlier step failed"},
		{Side: spec.SideBE, Backend: 10003, Right: spec.RightRead, NotTried: true, Message: "not tried: an earlier step failed"},
		{Side: spec.SideBE, Backend: 10004, Right: spec.RightAlive, NotTried: true, Message: "BE 10004 (10.0.0.4) is not alive"},
	},
	Warnings: []string{"the empty database starkeep_check_1a2b3c4d stays, drop it by hand"},
}

func TestRenderCheck(t *testing.T) {
	var text strings.Builder
	writeChecked(&text, checkedRepository)
	golden(t, "repo-check", text.String())
	for line := range strings.Lines(text.String()) {
		if width := len([]rune(strings.TrimRight(line, "\n"))); width > 80 && strings.Contains(strings.TrimSpace(line), " ") {
			t.Errorf("%d columns: %s", width, line)
		}
	}
	if strings.Contains(text.String(), "\x1b") {
		t.Error("StarRocks' words reach the terminal as they are")
	}
}

func TestManyBEsAreOneLine(t *testing.T) {
	r := spec.CheckRepositoryResult{Repository: "r", Cluster: "c"}
	for id := range int64(300) {
		r.Rights = append(r.Rights, spec.RightRow{Side: spec.SideBE, Backend: 10000 + id, Right: spec.RightWrite, OK: id != 7})
	}
	var text strings.Builder
	writeChecked(&text, r)
	for _, want := range []string{"299 BEs   write  ok\n", "BE 10007  write  MISSING\n"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("lacks %q:\n%s", want, text.String())
		}
	}
}

func TestFoldKeepsWidthAndWords(t *testing.T) {
	for _, tt := range []struct {
		text, want string
	}{
		{"", ""},
		{"one two three", "one two\n  three"},
		{"a_very_long_word and more", "a_very_long_word\n  and\n  more"},
		{"ü ü ü ü ü ü", "ü ü ü ü\n  ü ü"},
	} {
		if got := fold(tt.text, 9, "  "); got != tt.want {
			t.Errorf("%q folds to %q, want %q", tt.text, got, tt.want)
		}
	}
}

func repositories(t *testing.T, r *rig) {
	r.starkeep(t, "repo create s3-eu --cluster prod --read-only").want(t, exitOK,
		"Repository s3-eu was created on cluster prod at s3a://b/p.", "starkeep repo check s3-eu --cluster prod")
	r.starkeep(t, "repo create s3-eu").want(t, exitUsage, "", "--cluster is missing")

	got := r.starkeep(t, "repo check checked --cluster prod --scratch")
	got.want(t, exitNoAccess, "FE                      delete      MISSING", "lacks: FE delete (AuthDenied)")
	r.starkeep(t, "job watch repo/prod/checked").want(t, exitNoAccess, "MISSING", "lacks: FE delete (AuthDenied)")
	got = r.starkeep(t, "repo check looked --cluster prod -o json") // nobody can answer here, so nobody is asked
	got.want(t, exitOK, `"scratch": false`, "To try the rest:  starkeep repo check looked --cluster prod --scratch")
	var result spec.CheckRepositoryResult
	if err := json.Unmarshal([]byte(got.out), &result); err != nil || len(result.Rights) != 3 {
		t.Errorf("stdout is not the result (%v):\n%s", err, got.out)
	}
	r.starkeep(t, "repo check detached --cluster prod --detach").want(t, exitOK, "repo/prod/detached\n", "")

	r.starkeep(t, "repo drop s3-eu --cluster prod").want(t, exitUsage, "", "give --yes")
	r.starkeep(t, "repo drop s3-eu --cluster prod --yes").want(t, exitOK, "Cluster prod has forgotten it.\nAll snapshots stay.\n  rm -r /x\n", "")
	r.starkeep(t, "repo drop busy --cluster prod --yes").want(t, exitBusy, "", "it is used by backup/prod/nightly")

	for _, format := range []string{"", " -o json"} {
		got = r.starkeep(t, "repo policy s3-eu --for backup --for starrocks"+format)
		got.want(t, exitOK, "", "What s3-eu at s3a://b/p needs for: backup, starrocks\n  a note\nTo put it into force:\n  aws iam put-user-policy")
		if got.out != "{\n  \"Version\": \"2012-10-17\"\n}\n" {
			t.Errorf("stdout is not the policy alone:\n%s", got.out)
		}
	}
	r.starkeep(t, "repo policy hdfs").want(t, exitOK, "hdfs dfs -mkdir -p hdfs://nn/b\n", "")
	r.starkeep(t, "repo policy s3-eu --for write").want(t, exitUsage, "", `--for is "write"; it is one of backup`)
}
