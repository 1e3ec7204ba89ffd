package directory

import (
	"context"
	"reflect"

	"github.com/rolecall/rolecall/internal/uc"
)

// AddPhonebookEntry adds an entry to the company's phone book, or to a user's own.
func (d *Directory) AddPhonebookEntry(ctx context.Context, by uc.Actor, p uc.PhonebookEntry) (uc.PhonebookEntry, error) {
	err := d.do(ctx, by, func(e *edit) error {
		p.ID = 0
		if err := e.checkPhonebookEntry(&p); err != nil {
			return err
		}
		p.ID = uc.PhonebookID(e.nextID(uc.KindPhonebook))
		e.put.Phonebook = append(e.put.Phonebook, p)
		e.note("added phone book entry %s", p.Name)
		return nil
	})
	if err != nil {
		return uc.PhonebookEntry{}, err
	}
	return p, nil
}

// UpdatePhonebookEntry changes an entry of the phone book.
func (d *Directory) UpdatePhonebookEntry(ctx context.Context, by uc.Actor, p uc.PhonebookEntry) error {
	return d.do(ctx, by, func(e *edit) error {
		old, err := find(&e.dir.Phonebook, p.ID, uc.KindPhonebook)
		if err != nil {
			return err
		}
		if err := e.checkPhonebookEntry(&p); err != nil {
			return err
		}
		if reflect.DeepEqual(old, p) {
			return nil
		}
		e.put.Phonebook = append(e.put.Phonebook, p)
		e.note("changed phone book entry %s: %s", old.Name, diff(old, p))
		return nil
	})
}

func (e *edit) checkPhonebookEntry(p *uc.PhonebookEntry) error {
	var c checks
	c.name("name", &p.Name)
	c.text("organisation", &p.Organisation, maxName)
	c.notes("notes", &p.Notes)
	c.email("email", p.Email)
	p.Numbers = owned(p.Numbers)
	for i := range p.Numbers {
		c.that(p.Numbers[i] != "", "numbers", "a number is empty")
		c.number("numbers", &p.Numbers[i])
	}
	if p.Owner != 0 {
		known(&c, "owner", &e.dir.Users, p.Owner)
	}
	return c.err
}
