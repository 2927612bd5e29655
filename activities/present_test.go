package activities

import (
	"context"
	"crypto/md5"
	"fmt"
	"io"
	"iter"
	"strings"
	"testing"

	"starkeep/storage"
)

// tagged is a store that tells MD5s of its own, and counts how often contents are read.
type tagged struct {
	storage.Store
	objects []storage.Object
	content func(key string) string
	reads   int
}

func (s *tagged) List(context.Context, string) iter.Seq2[storage.Object, error] {
	return func(yield func(storage.Object, error) bool) {
		for _, o := range s.objects {
			if !yield(o, nil) {
				return
			}
		}
	}
}

func (s *tagged) Get(_ context.Context, key string, _, _ int64) (io.ReadCloser, error) {
	s.reads++
	return io.NopCloser(strings.NewReader(s.content(key))), nil
}

func sumOf(text string) string { return fmt.Sprintf("%x", md5.Sum([]byte(text))) }

// objectsOf makes n data files of a native snapshot, with the MD5s that a store tells of them.
func objectsOf(n int, tag func(i int) string) []storage.Object {
	var list []storage.Object
	for i := range n {
		key := fmt.Sprintf("__starrocks_repository_r/__ss_l/__ss_content/__db_1/__tbl_2/__part_3/__idx_4/__%d/02_0.dat.%s", 1000+i, sumOf(fmt.Sprint(1000+i)))
		list = append(list, storage.Object{Key: key, Size: 4, MD5: tag(i)})
	}
	return list
}

// wholeContent is the content that the key's MD5 is of.
func wholeContent(key string) string { return key[strings.Index(key, "/02_0.dat")-4:][:4] }

func TestWhatAStoreTellsOfContents(t *testing.T) {
	other := sumOf("something else")
	for name, c := range map[string]struct {
		tag       func(i int) string
		content   func(key string) string
		differing int
		reads     int
	}{
		"nothing":                                  {tag: func(int) string { return "" }, content: wholeContent},
		"MD5s, and all is well":                    {tag: func(i int) string { return sumOf(fmt.Sprint(1000 + i)) }, content: wholeContent},
		"values that are no MD5s (KMS)":            {tag: func(int) string { return other }, content: wholeContent, reads: believed},
		"MD5s, and every object is another":        {tag: func(int) string { return other }, content: func(string) string { return "something else" }, differing: 100, reads: believed},
		"MD5s, and one object is another":          {tag: one100(7, other), content: func(string) string { return "something else" }, differing: 1, reads: 1},
		"MD5s, but one object is encrypted by KMS": {tag: one100(7, other), content: wholeContent, reads: 1},
	} {
		t.Run(name, func(t *testing.T) {
			s := &tagged{objects: objectsOf(100, c.tag), content: c.content}
			differing := 0
			for o, err := range (&contents{store: s}).listed(t.Context(), "", map[int64]bool{3: true}) {
				if err != nil {
					t.Fatal(err)
				}
				if o.MD5 != "" && !strings.HasSuffix(o.Key, o.MD5) {
					differing++
				}
			}
			if differing != c.differing || s.reads != c.reads {
				t.Errorf("%d objects differ, %d were read; want %d and %d", differing, s.reads, c.differing, c.reads)
			}
		})
	}
	s := &tagged{objects: objectsOf(3, func(int) string { return other }), content: wholeContent}
	for range (&contents{store: s}).listed(t.Context(), "", map[int64]bool{99: true}) {
		t.Error("an object of a partition that is not needed was looked at")
	}
	if s.reads != 0 {
		t.Errorf("%d objects were read that are not needed", s.reads)
	}
}

func one100(odd int, tag string) func(int) string {
	return func(i int) string {
		if i == odd {
			return tag
		}
		return sumOf(fmt.Sprint(1000 + i))
	}
}
