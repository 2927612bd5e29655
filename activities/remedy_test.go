package activities

import (
	"strings"
	"testing"

	"starkeep/starrocks"
)

func TestStarRocksWordsAboutTheStoreComeWithWhatHelps(t *testing.T) {
	place := func(kind Kind, location string) *work {
		return &work{cluster: &Cluster{Name: "prod"}, repository: &Repository{Name: "main", Native: "main", Location: location, Kind: kind}}
	}
	s3 := place(KindS3, "s3a://bucket/sr")
	for _, c := range []struct {
		name, state, said string
		of                *work
		wants             []string
	}{
		{"a BE may not write", string(starrocks.StateUploading), "[1: IO error: AccessDenied: no s3:PutObject (request AB12CD)]", s3, []string{"(request …)", "repository main, as StarRocks uses it: give StarRocks' user s3:PutObject on arn:aws:s3:::bucket/sr/*"}},
		{"a BE may not read", string(starrocks.StateDownloading), "Access Denied. (Service: S3, Status Code: 403, Request ID: 0V7281VUT9UA5N03, Extended Request ID: Pa7OMkHjN1/MpPP=)", s3, []string{"Request ID: …, Extended Request ID: …)", "s3:GetObject"}},
		{"a BE cannot reach it", string(starrocks.StateUploading), "IO error: Connection refused", s3, []string{"let this BE reach the store"}},
		{"the FE may not delete", string(starrocks.StateUploadInfo), "failed to delete remote path: s3a://bucket/sr/__meta.part. msg: delete path s3a://bucket/sr/__meta.parterror", s3, []string{"s3:DeleteObject"}},
		{"the FE may not rename", string(starrocks.StateUploadInfo), "failed to rename a to b, msg: errors while rename ato b", s3, []string{"s3:GetObject and s3:PutObject", "delete"}},
		{"the FE may not list", "refused", "failed to list remote path: s3a://bucket/sr/__ss_*. msg: S3Exception: Access Denied.", s3, []string{"s3:ListBucket on arn:aws:s3:::bucket"}},
		{"the FE may not read", "refused", "Failed to get info of snapshot 'x' because: failed to read. file: s3a://bucket/sr/__info. msg: errors while read data from stream", s3, []string{"s3:GetObject", "or, if it has that, correct the credentials of StarRocks"}},
		{"HDFS", string(starrocks.StateUploading), "Permission denied: user=bob, access=WRITE", place(KindHDFS, "hdfs://nn:8020/sr"), []string{"repo policy main --for starrocks"}},
		{"no matter of the store", "refused", "Unknown table 't'", s3, nil},
		{"a sick disk", string(starrocks.StateUploading), "disk is sick", s3, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := c.of.remedied(c.state, c.said)
			for _, want := range c.wants {
				if !strings.Contains(got, want) {
					t.Errorf("%q lacks %q", got, want)
				}
			}
			if c.wants == nil && got != c.said {
				t.Errorf("%q, want the words as they are", got)
			}
		})
	}
	check := *s3
	check.Scratch = true
	if got := check.remedied(string(starrocks.StateUploading), "AccessDenied"); got != "AccessDenied" {
		t.Errorf("a check's words: %q", got)
	}
}
