package activities

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"starkeep/starrocks"
	"starkeep/storage"
)

// answering is a store that answers every read alike.
type answering struct {
	storage.Store
	content string
	err     error
}

func (s answering) Get(context.Context, string, int64, int64) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader(s.content)), s.err
}

func TestWhoseInfoItIs(t *testing.T) {
	const theirs = `{"name":"sk_db_0123456789ab_u1_a1","database":"db","id":1,"backup_time":1795363088000,"backup_result":"succeed","backup_objects":{}}`
	const ours = `{"name":"sk_beside_db_0123456789ab_u1_a1","database":"db","id":1,"backup_time":1795363088000,"backup_result":"succeed","backup_objects":{}}`
	for name, c := range map[string]struct {
		store answering
		named string // content that the key's MD5 is of
		ours  bool
		err   error
	}{
		"written by StarRocks":                      {store: answering{content: theirs}, named: theirs},
		"written by starkeep":                       {store: answering{content: ours}, named: ours, ours: true},
		"of another content than its name says":     {store: answering{content: ours}, named: theirs},
		"no __info at all":                          {store: answering{content: "x"}, named: "x"},
		"tidied up by another restore while listed": {store: answering{err: storage.ErrNotFound}, named: ours, ours: true},
		"in a store that does not answer":           {store: answering{err: storage.ErrUnavailable}, named: ours, err: storage.ErrUnavailable},
		"in a store that refuses":                   {store: answering{err: storage.ErrDenied}, named: ours, err: storage.ErrDenied},
	} {
		t.Run(name, func(t *testing.T) {
			w := &work{repository: &Repository{Store: c.store}}
			key := starrocks.Snapshot{Repository: "r", Label: "l"}.InfoKey("2026-11-22-18-00-00-000", []byte(c.named))
			got, err := w.isOurs(t.Context(), key)
			if got != c.ours || !errors.Is(err, c.err) {
				t.Errorf("ours %v, error %v; want %v, %v", got, err, c.ours, c.err)
			}
		})
	}
}
