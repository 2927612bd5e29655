package mysqlwire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"
)

const (
	comQuit        = 0x01
	comInitDB      = 0x02
	comQuery       = 0x03
	comFieldList   = 0x04
	comPing        = 0x0e
	comStmtPrepare = 0x16
	comStmtExecute = 0x17
	comStmtClose   = 0x19
	comStmtReset   = 0x1a
	comSetOption   = 0x1b
	comReset       = 0x1f
)

// serve logs in and answers commands until the client leaves or the server closes.
func (c *conn) serve() {
	if c.login() != nil {
		return
	}
	defer func() { c.server.cfg.Handler.Close(c.session) }()
	for {
		p, err := c.read()
		if err != nil || len(p) == 0 || p[0] == comQuit {
			return
		}
		if c.command(p[0], p[1:]) != nil || c.flush() != nil {
			return
		}
	}
}

// command answers one command; its error ends the connection.
func (c *conn) command(kind byte, p []byte) error {
	switch kind {
	case comInitDB:
		c.answer(c.use(string(p)))
	case comPing, comStmtReset:
		c.writeOK(0, false)
	case comReset:
		c.answer(c.reset())
	case comQuery:
		return c.query(string(p), false)
	case comFieldList:
		c.writeEOF(false)
	case comSetOption:
		c.multi = len(p) >= 2 && p[0] == 0
		c.writeEOF(false)
	case comStmtPrepare:
		c.prepare(string(p))
	case comStmtExecute:
		return c.execute(p)
	case comStmtClose:
		if len(p) >= 4 {
			delete(c.prepared, binary.LittleEndian.Uint32(p))
		}
	default:
		c.writeError(&Error{1047, "08S01", fmt.Sprintf("Unknown command(%d)", kind)})
	}
	return nil
}

func (c *conn) answer(err error) {
	if err != nil {
		c.writeError(err)
		return
	}
	c.writeOK(0, false)
}

func (c *conn) use(name string) error {
	if err := c.server.cfg.Handler.UseDatabase(c.server.ctx, c.session, name); err != nil {
		return err
	}
	c.session.Database = name
	return nil
}

// reset makes the session as it was after login, without a database.
func (c *conn) reset() error {
	c.server.cfg.Handler.Close(c.session)
	c.session.Database, c.session.Data = "", nil
	clear(c.prepared)
	return c.server.cfg.Handler.Open(c.server.ctx, c.session)
}

func (c *conn) prepare(sql string) {
	if err := c.server.cfg.Handler.Prepare(c.server.ctx, c.session, sql); err != nil {
		c.writeError(err)
		return
	}
	c.lastStmt++
	c.prepared[c.lastStmt] = sql
	b := binary.LittleEndian.AppendUint32([]byte{0}, c.lastStmt)
	c.write(append(b, 0, 0, 0, 0, 0, 0, 0)) // no columns yet: they come with EXECUTE; no parameters, no warnings
}

func (c *conn) execute(p []byte) error {
	if len(p) < 4 {
		c.writeError(&Error{1243, "HY000", "Unknown prepared statement handler"})
		return nil
	}
	id := binary.LittleEndian.Uint32(p)
	sql, ok := c.prepared[id]
	if !ok {
		c.writeError(&Error{1243, "HY000", fmt.Sprintf("Unknown prepared statement handler (%d) given to EXECUTE", id)})
		return nil
	}
	return c.query(sql, true)
}

// query runs a text. All its statements are run; a client that did not ask for multi statements is told the last
// answer only, as StarRocks does.
func (c *conn) query(sql string, binary bool) error {
	answered := false
	send := func(r *Result, more bool) error {
		if more && !c.multi {
			return nil
		}
		answered = !more
		if err := c.writeResult(r, more, binary); err != nil {
			return err
		}
		return c.err
	}
	err := c.server.cfg.Handler.Query(c.server.ctx, c.session, sql, send)
	if c.err != nil {
		return c.err
	}
	var broken *brokenRows
	switch {
	case errors.As(err, &broken):
	case err != nil:
		c.writeError(err)
	case !answered:
		c.writeOK(0, false)
	}
	return nil
}

// brokenRows ends a text whose rows broke in the middle: the client has been told.
type brokenRows struct{ error }

func (c *conn) writeResult(r *Result, more, binary bool) error {
	if len(r.Columns) == 0 {
		c.writeOK(r.Affected, more)
		return nil
	}
	c.write(appendLength(nil, uint64(len(r.Columns))))
	for _, col := range r.Columns {
		c.writeColumn(col)
	}
	c.writeEOF(false)
	if r.Rows != nil {
		for row, err := range r.Rows {
			if err != nil {
				c.writeError(err)
				return &brokenRows{err}
			}
			if binary {
				c.write(binaryRow(r.Columns, row))
			} else {
				c.write(textRow(row))
			}
			if c.err != nil {
				return c.err
			}
		}
	}
	c.writeEOF(more)
	return nil
}

func textRow(row []Value) []byte {
	var b []byte
	for _, v := range row {
		if !v.Valid {
			b = append(b, 0xfb)
			continue
		}
		b = appendString(b, v.Text)
	}
	return b
}

func binaryRow(cols []Column, row []Value) []byte {
	b := make([]byte, 1+(len(row)+9)/8)
	for i, v := range row {
		if !v.Valid {
			b[1+(i+2)/8] |= 1 << ((i + 2) % 8)
			continue
		}
		b = appendBinary(b, cols[i].Type, v.Text)
	}
	return b
}

// appendBinary writes a value in the form its column type has in the binary protocol.
func appendBinary(b []byte, t Type, text string) []byte {
	switch t {
	case LongLong:
		n, _ := strconv.ParseInt(text, 10, 64)
		return binary.LittleEndian.AppendUint64(b, uint64(n))
	case Long:
		n, _ := strconv.ParseInt(text, 10, 32)
		return binary.LittleEndian.AppendUint32(b, uint32(n))
	case Double:
		f, _ := strconv.ParseFloat(text, 64)
		return binary.LittleEndian.AppendUint64(b, math.Float64bits(f))
	case DateTime, Date:
		return appendTime(b, text)
	}
	return appendString(b, text)
}

func appendTime(b []byte, text string) []byte {
	t, err := time.Parse(time.DateTime, text)
	if err != nil {
		if t, err = time.Parse(time.DateOnly, text); err != nil {
			return append(b, 0)
		}
	}
	y := t.Year()
	return append(b, 7, byte(y), byte(y>>8), byte(t.Month()), byte(t.Day()), byte(t.Hour()), byte(t.Minute()), byte(t.Second()))
}
