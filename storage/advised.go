package storage

import "errors"

// Advised tells whether an error of a Store says already what would help against it.
func Advised(err error) bool {
	var a interface{ advises() bool }
	return errors.As(err, &a) && a.advises()
}

func (e *advised) advises() bool   { return true }
func (e *keysError) advises() bool { return e.fix() != "" || e.base() != nil }
func (e *hdfsError) advises() bool { return e.advice != "" }
