package adversarial

import (
	"fmt"
	"strings"
)

// loads makes n loads up, into one table: one that is there, or that the restore brings.
func (s *story) loads(r request, n, size int) (name string, list [][]row) {
	all := s.now.clone()
	for _, t := range r.targets {
		if all[t.name] == nil {
			all[t.name] = t.bring
		}
	}
	if len(all) == 0 {
		return "", nil
	}
	name = pick(s, all.names())
	if len(r.targets) > 0 && s.chance(2) {
		name = pick(s, r.targets).name
	}
	for range n {
		if rows := s.rows(all[name], size); len(rows) > 0 {
			list = append(list, rows)
		}
	}
	return name, list
}

// attempt loads while the restore runs: what the FE accepts is written down.
func (s *story) attempt(name string, rows []row, send func() error) {
	s.loading.Lock()
	defer s.loading.Unlock()
	err := send()
	if err != nil && !strings.Contains(err.Error(), "Publish timeout") {
		return // refused
	}
	s.accepted++
	s.came[name] = append(s.came[name], come{s.accepted, rows})
}

func (s *story) oneLoad(r request) {
	name, list := s.loads(r, 1, 1+s.rng.IntN(3))
	if len(list) == 0 {
		return
	}
	rows := list[0]
	s.at(pick(s, states), fmt.Sprintf("load %v into %s", rows, name), func() {
		s.aside(func() { s.attempt(name, rows, func() error { return s.send(name, rows) }) })
	})
}

// lateLoad is committed and becomes visible only later.
func (s *story) lateLoad(r request) {
	later := s.rng.IntN(30)
	name, list := s.loads(r, 1, 1+s.rng.IntN(3))
	if len(list) == 0 {
		return
	}
	rows := list[0]
	commit := func() {
		s.attempt(name, rows, func() error {
			publish, err := s.lane.bed.Sim.CommitLoad(databaseOf(name), tableOf(name), s.cells(name, rows)...)
			if err == nil {
				s.aside(func() {
					wait(later)
					publish()
				})
			}
			return err
		})
	}
	told := fmt.Sprintf("load %v into %s, visible only %d ticks later", rows, name, later)
	if s.chance(3) {
		s.say("before it: %s", told)
		commit()
		return
	}
	s.at(pick(s, states), told, func() { s.aside(commit) })
}

// steadyLoads come all the time.
func (s *story) steadyLoads(r request) {
	every := 1 + s.rng.IntN(3)
	name, loads := s.loads(r, 40, 1)
	if len(loads) == 0 {
		return
	}
	s.say("loads into %s every %d ticks, %d of them", name, every, len(loads))
	s.aside(func() {
		for _, rows := range loads {
			wait(every)
			s.mu.Lock()
			over := s.over
			s.mu.Unlock()
			if over {
				return
			}
			s.attempt(name, rows, func() error { return s.send(name, rows) })
		}
	})
}
