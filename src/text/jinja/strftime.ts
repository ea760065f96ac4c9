/** Python's datetime.strftime in English, for a time of the local zone. */

const days = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const months = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
];

export function strftime(date: Date, format: string): string {
  return format.replace(/%(-?)([\s\S])/g, (whole, minus: string, letter: string) => {
    const text = directive(date, letter);
    if (text === undefined) return whole;
    return minus === '' ? text : text.replace(/^[0 ]+(?=.)/, '');
  });
}

function directive(date: Date, letter: string): string | undefined {
  const two = (value: number) => String(value).padStart(2, '0');
  const hour = date.getHours();
  const twelve = hour % 12 || 12;
  const weekday = date.getDay();
  const day = dayOfYear(date);
  const nested = (format: string) => strftime(date, format);
  switch (letter) {
    case 'a':
      return days[weekday]!.slice(0, 3);
    case 'A':
      return days[weekday]!;
    case 'b':
    case 'h':
      return months[date.getMonth()]!.slice(0, 3);
    case 'B':
      return months[date.getMonth()]!;
    case 'c':
      return nested('%a %b %e %H:%M:%S %Y');
    case 'C':
      return two(Math.floor(date.getFullYear() / 100));
    case 'd':
      return two(date.getDate());
    case 'D':
    case 'x':
      return nested('%m/%d/%y');
    case 'e':
      return String(date.getDate()).padStart(2);
    case 'f':
      return String(date.getMilliseconds() * 1000).padStart(6, '0');
    case 'F':
      return nested('%Y-%m-%d');
    case 'G':
      return String(isoWeek(date).year);
    case 'H':
      return two(hour);
    case 'I':
      return two(twelve);
    case 'j':
      return String(day + 1).padStart(3, '0');
    case 'k':
      return String(hour).padStart(2);
    case 'l':
      return String(twelve).padStart(2);
    case 'm':
      return two(date.getMonth() + 1);
    case 'M':
      return two(date.getMinutes());
    case 'n':
      return '\n';
    case 'p':
      return hour < 12 ? 'AM' : 'PM';
    case 'r':
      return nested('%I:%M:%S %p');
    case 'R':
      return nested('%H:%M');
    case 's':
      return String(Math.floor(date.getTime() / 1000));
    case 'S':
      return two(date.getSeconds());
    case 't':
      return '\t';
    case 'T':
    case 'X':
      return nested('%H:%M:%S');
    case 'u':
      return String(weekday || 7);
    case 'U':
      return two(Math.floor((day + 7 - weekday) / 7));
    case 'V':
      return two(isoWeek(date).week);
    case 'w':
      return String(weekday);
    case 'W':
      return two(Math.floor((day + 7 - ((weekday + 6) % 7)) / 7));
    case 'y':
      return two(date.getFullYear() % 100);
    case 'Y':
      return String(date.getFullYear());
    // A time of datetime.now() has no zone.
    case 'z':
    case 'Z':
      return '';
    case '%':
      return '%';
  }
  return undefined;
}

/** From 0. */
function dayOfYear(date: Date): number {
  const start = Date.UTC(date.getFullYear(), 0, 1);
  return (Date.UTC(date.getFullYear(), date.getMonth(), date.getDate()) - start) / 86_400_000;
}

function isoWeek(date: Date): { year: number; week: number } {
  // The week belongs to the year of its Thursday.
  const thursday = new Date(date.getFullYear(), date.getMonth(), date.getDate() + 4 - (date.getDay() || 7));
  return { year: thursday.getFullYear(), week: Math.floor(dayOfYear(thursday) / 7) + 1 };
}
