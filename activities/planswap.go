package activities

import (
	"fmt"
	"strings"

	"starkeep/restorepoint"
	"starkeep/starrocks"
)

// swappable says why a live table could not be exchanged after the restore beside it has taken its time; nil if it can.
func (p *restorePlanner) swappable(at *target, live starrocks.Table) *decision {
	if d := busy(at, live); d != nil {
		return d
	}
	if at.grantsErr != nil && !p.in.Spec.SkipGrants {
		return refusal(live.Name, "its grants cannot be read, and would stay with the old table: %v; give the profile's user the role user_admin, or consent with skipGrants", at.grantsErr)
	}
	return nil
}

// aboutSwap says what the exchange changes that a user may not expect.
func (p *restorePlanner) aboutSwap(at *target, t restorepoint.Table, live starrocks.Table) (note string, diff []string) {
	var notes []string
	ddl, err := at.ddl(live.Name)
	if err != nil {
		notes = append(notes, fmt.Sprintf("its definition cannot be read: %v", err))
	} else if d := compareDefinitions(t.DDL, ddl); d.first != "" {
		notes, diff = append(notes, "its definition becomes that of the restore point: "+d.first), d.diff
	}
	if t.AutoIncrement {
		notes = append(notes, "AUTO_INCREMENT goes back to where it was at the backup: ids drawn since are given again")
	}
	for _, part := range at.partitions[live.Name] {
		if part.Temporary {
			notes = append(notes, fmt.Sprintf("its temporary partition %s stays in the old table", part.Name))
			break
		}
	}
	for _, l := range at.committed {
		if l.into(live.ID) {
			notes = append(notes, fmt.Sprintf("load %s is committed and not visible yet: it ends in the old table if it is into this one", l.label))
		}
	}
	if r := retention(live); r != "" {
		notes = append(notes, fmt.Sprintf("it has %s, which may drop restored partitions", r))
	}
	return strings.Join(notes, "; "), diff
}
