package activities

import (
	"context"
	"errors"
	"slices"

	"starkeep/starrocks"
)

// committedLoad is a load whose success was told and whose data is not visible yet: a swap leaves it in the old table, and
// over a RESTORE into its table it may block that for good (starrocks-measured B 23, 24).
type committedLoad struct {
	label  string
	tables []int64 // ids; none: not known
}

// into tells whether the load is, or may be, one into the table.
func (l committedLoad) into(id int64) bool {
	return len(l.tables) == 0 || slices.Contains(l.tables, id)
}

// committedLoads lists the committed loads of a database that are not visible yet.
func committedLoads(ctx context.Context, fe *starrocks.Client, database string) ([]committedLoad, error) {
	id, err := fe.DatabaseID(ctx, database)
	if err != nil {
		return nil, err
	}
	running, err := fe.RunningTransactions(ctx, id)
	if err != nil {
		return nil, err
	}
	var list []committedLoad
	for _, t := range running {
		if !t.IsCommitted() {
			continue
		}
		tables, err := fe.TransactionTables(ctx, id, t.ID)
		if errors.Is(err, starrocks.ErrConnectionLost) || errors.Is(err, starrocks.ErrNoLeader) {
			return nil, err
		}
		list = append(list, committedLoad{t.Label, tables}) // one that has ended meanwhile does not matter; one of unknown tables does
	}
	return list, nil
}
